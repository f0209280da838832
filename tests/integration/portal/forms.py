"""The forms of a page as a browser without scripts fills them in and sends them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx


@dataclass
class Form:
    """A form, with its fields in order as the page filled them in."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[str] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """What stands in the fields of a name."""
        return [value for one, value in self.fields if one == name]

    async def send(self, client: httpx.AsyncClient, url: str, **changes: str | list[str]) -> httpx.Response:
        """Send it; `changes` replace all the fields of their names, or press a button."""
        kept: dict[str, str | list[str]] = {name: self.values(name) for name, _ in self.fields}
        return await client.post(f"{url}{self.action}", data=kept | changes)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.select: str | None = None
        self.textarea: str | None = None
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        name, value = has.get("name") or "", has.get("value") or ""
        if tag == "form":
            self.forms.append(Form(has.get("action") or ""))
        elif tag == "input":
            self.forms[-1].fields.append((name, value))
        elif tag == "button" and name:
            self.forms[-1].buttons.append(name)
        elif tag == "select":
            self.select = name
        elif tag == "option" and "selected" in has and self.select:
            self.forms[-1].fields.append((self.select, value))
        elif tag == "textarea":
            self.textarea, self.text = name, ""

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self.select = None
        elif tag == "textarea" and self.textarea is not None:
            self.forms[-1].fields.append((self.textarea, self.text))
            self.textarea = None


def forms(page: str, part: str) -> list[Form]:
    """The forms of a page whose address has this part."""
    reader = _Reader()
    reader.feed(page)
    return [one for one in reader.forms if part in one.action]
