"""Reads the commands of a page, and the output that it shows below them; and runs them as one bash would."""

import asyncio
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LONGEST = 300.0
"""Seconds that one block may take: the first sets the system up."""


@dataclass(frozen=True)
class Step:
    """Commands, and what they print: the text block that follows them; None where none does."""

    line: int
    commands: str
    shown: str | None


def steps_of(page: str, language: str = "bash") -> list[Step]:
    """The commands of a page in their order."""
    fences = list(_FENCE.finditer(page))
    steps = []
    for fence, following in zip(fences, [*fences[1:], None], strict=True):
        if fence[1] != language:
            continue
        is_answer = following is not None and following[1] == "text"
        steps.append(
            Step(page.count("\n", 0, fence.start()) + 2, fence[2], following[2] if following and is_answer else None)
        )
    return steps


def is_as_shown(shown: str, printed: str) -> bool:
    """Whether an output is the one that a page shows: … stands for anything, alone on its line for any lines."""
    pattern = ""
    for line in shown.rstrip("\n").split("\n"):
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += ".+?".join(re.escape(part) for part in line.split("…")) + r"\n"
    return re.fullmatch(pattern, printed.rstrip("\n") + "\n") is not None


class Bash:
    """One bash that is given one block after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, folder: Path, environment: Mapping[str, str]) -> "Bash":
        """Begin in a folder."""
        process = await asyncio.create_subprocess_exec(
            "bash", "--noprofile", "--norc",
            cwd=folder, env=dict(environment), limit=2**24,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        return cls(process)

    async def run(self, commands: str) -> tuple[int, str]:
        """The exit code of a block's last command, and what the block printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        mark = f"== {secrets.token_hex(8)} "
        self._process.stdin.write(f"{commands}\nprintf '{mark}%s\\n' $?\n".encode())
        await self._process.stdin.drain()
        printed = ""
        async with asyncio.timeout(LONGEST):
            async for raw in self._process.stdout:
                line = raw.decode()
                before, found, code = line.partition(mark)
                printed += before
                if found:
                    return int(code), printed
        raise AssertionError(f"bash ended after: {printed}")

    async def end(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
