"""What a learner gets of a record as a file where the learner record does not give one."""

import httpx
import pytest

from chassis.pages.site import NotSignedIn
from chassis.problems import Problem
from services.portal.upstream import Upstream


def upstream(status: int, content: bytes) -> Upstream:
    """The portal before a learner record that gives this answer."""
    answers = httpx.MockTransport(lambda _: httpx.Response(status, content=content))
    client = httpx.AsyncClient(transport=answers)
    return Upstream(client, provider_url="http://provider.test", learner_record_url="http://record.test")


async def test_a_file_comes_as_it_is() -> None:
    assert await upstream(200, b"<elmo/>").download("a token", "elmo") == b"<elmo/>"


@pytest.mark.parametrize(
    ("status", "becomes"), [(401, 401), (403, 403), (409, 409), (404, 503), (429, 503), (500, 503), (503, 503)]
)
async def test_a_refusal_is_no_file(status: int, becomes: int) -> None:
    with pytest.raises(Problem) as refused:
        await upstream(status, b'{"detail": "In the words of the service."}').download("a token", "elmo")
    assert refused.value.status == becomes
    assert isinstance(refused.value, NotSignedIn) == (status == 401)
    assert (refused.value.detail == "In the words of the service.") == (status in (403, 409))
