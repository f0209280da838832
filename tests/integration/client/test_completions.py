"""`concord completions compare` on the real service: what a file and Concord have of each other."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.local.ports import free_port
from tests.integration.client.ground import Ended, Service, concord, line, written
from tests.integration.client.proxy import Proxy

pytestmark = pytest.mark.servers
COMPARE = ("completions", "compare")


async def compare(service: Service, *words: str | Path, **changes: str) -> Ended:
    return await concord(*words, command=COMPARE, environment=service.environment(**changes) | {"COLUMNS": "300"})


def kinds(output: str) -> dict[str, tuple[int, list[str]]]:
    """The table: by kind how many, and what is named of it."""
    found: dict[str, tuple[int, list[str]]] = {}
    kind = ""
    for row in output.splitlines():
        cells = [cell.strip() for cell in row.strip("│┃").split("│")]
        if len(cells) != 3:
            continue
        if cells[1]:
            kind = cells[0]
            found[kind] = (int(cells[1].replace(",", "")), [])
        if cells[2]:
            found[kind][1].append(cells[2])
    return found


async def test_what_was_published_is_the_same(service: Service, tmp_path: Path) -> None:
    rows = [line(f"C-{n}", f"l{n % 300}") for n in range(1_500)]
    file = written(tmp_path / "june.ndjson", rows)
    nothing = await compare(service, file)
    assert nothing.code == 1
    assert kinds(nothing.out)["missing"][0] == 1_500
    assert (await concord(file, environment=service.environment())).code == 0
    spelt = written(tmp_path / "spelt.ndjson", (row.replace(b'"15"', b'"15.00"') for row in reversed(rows)))
    for one in (file, spelt):
        result = await compare(service, one, "--extra")
        assert result.code == 0, result
        assert kinds(result.out) == {"same": (1_500, []), "missing": (0, [])}
        assert "1,500 rows compared, 0 refused" in result.err
    assert await service.stored() == 1_500


async def test_every_kind_of_difference_is_counted_and_named(service: Service, tmp_path: Path) -> None:
    stored = [
        *(line(f"C-{n}", f"l{n}") for n in range(1, 7)),
        line("C-4", "l4", revision=2, mark="70"),
    ]
    assert (await concord(written(tmp_path / "a.ndjson", stored), environment=service.environment())).code == 0
    file = written(
        tmp_path / "b.ndjson",
        [
            line("C-1", "l1"),
            line("C-2", "l2", mark="63"),
            line("C-3", "l3", revision=3, mark="64"),
            line("C-4", "l4"),
            line("C-7", "l7"),
            line("C-8", "l8", credits="0"),
            b"{",
        ],
    )
    lacking = tmp_path / "lacking.ndjson"
    lacking.write_bytes(b"what was there before\n" * 1_000)
    result = await compare(service, file, "--extra", "--output", lacking)
    assert result.code == 1
    assert kinds(result.out) == {
        "same": (1, []),
        "missing": (1, ["C-7 · revision 1 · line 5"]),
        "older": (1, ["C-3 · revision 3, 1 at Concord · line 3"]),
        "different": (1, ["C-2 · revision 1 · line 2"]),
        "newer": (1, ["C-4 · revision 1, 2 at Concord · line 4"]),
        "refused": (2, []),
        "extra": (2, ["C-5 · revision 1", "C-6 · revision 1"]),
    }
    assert 'b.ndjson:6: C-8: credits is "0"; expected: text of a number above 0' in result.out
    rows = file.read_bytes().splitlines()
    assert lacking.read_bytes().splitlines() == [rows[1], rows[2], rows[4]]
    published = await concord(lacking, environment=service.environment())
    assert "2 accepted, 0 known already, 1 refused" in published.err
    assert "expected: the body as it was stored, or revision 2" in published.out.replace('"', "")


async def test_a_file_that_tells_a_history_is_compared_by_its_newest_revisions(
    service: Service, tmp_path: Path
) -> None:
    history = [line("C-1", "l1", revision=n, mark=f"{50 + n}") for n in range(1, 5)]
    file = written(tmp_path / "a.ndjson", history)
    assert (await concord(file, environment=service.environment())).code == 0
    assert kinds((await compare(service, file)).out) == {"same": (1, []), "missing": (0, [])}
    # Of two that state the same revision, the one that Concord does not have counts.
    both = [*history[:3], history[3].replace(b'"54"', b'"55"'), history[3]]
    for rows in (both, both[::-1]):
        result = await compare(service, written(tmp_path / "b.ndjson", rows))
        assert (result.code, kinds(result.out)["different"][0]) == (1, 1)


async def test_a_table_of_commas_is_compared(service: Service, tmp_path: Path) -> None:
    assert (await concord(written(tmp_path / "a.ndjson", [line("C-1")]), environment=service.environment())).code == 0
    identifier = line("C-1").split(b'"identifier":"')[1].split(b'"')[0].decode()
    (tmp_path / "a.csv").write_text(
        "reference;revision;learner.scheme;learner.identifier;learner.reference;learning_opportunity.id;"
        "learning_opportunity.version;credits;framework;level;result;mark;mark_scale.lowest;mark_scale.pass;"
        "mark_scale.highest;completed_on;identity_verified_at_assessment\n"
        f"C-1;1;ESI;{identifier};S-ann;northbridge:data-ethics;2;15;FHEQ;7;pass;62;0;40;100;2026-06-30;true\n"
    )
    result = await compare(service, tmp_path / "a.csv")
    assert result.code == 0, result
    assert kinds(result.out)["same"] == (1, [])


async def test_cut_connections_change_no_count(service: Service, tmp_path: Path) -> None:
    rows = [line(f"C-{n}", f"l{n % 61}") for n in range(2_000)]
    assert (await concord(written(tmp_path / "a.ndjson", rows[::2]), environment=service.environment())).code == 0
    proxy = Proxy(urlsplit(service.url).port or 0, seed=4, cuts=3, within=20_000)
    async with proxy.serving() as url:
        result = await compare(service, written(tmp_path / "b.ndjson", rows[1_000:]), "--extra", provider_url=url)
    assert len(proxy.cut) == 6
    assert {kind: count for kind, (count, _) in kinds(result.out).items()} == {
        "same": 500,
        "missing": 500,
        "extra": 500,
    }


async def test_where_nobody_is_or_may_it_is_trouble_and_no_difference(service: Service, tmp_path: Path) -> None:
    file = written(tmp_path / "a.ndjson", [line("C-1")])
    output = tmp_path / "lacking.ndjson"
    output.write_bytes(b"from before\n")
    nowhere = f"http://127.0.0.1:{free_port()}"
    away = await compare(service, file, "--output", output, "--patience", "0.5", provider_url=nowhere)
    assert away.code == 2
    assert "Nothing is changed by a comparison; start it again." in away.err
    assert output.read_bytes() == b"from before\n"
    officer = service.issuer.token("officer", member="northbridge")
    assert (await compare(service, file, token=officer)).code == 2


async def test_the_file_that_is_read_is_not_written(service: Service, tmp_path: Path) -> None:
    file = written(tmp_path / "a.ndjson", [line("C-1")])
    result = await compare(service, file, "--output", file)
    assert result.code == 2
    assert "is the file that is read" in result.err
    assert file.read_bytes() == line("C-1") + b"\n"
