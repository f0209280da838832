"""No form of another session or another site changes anything in operations, whatever its address."""

import pytest

from tests.integration.operations.conftest import Operations
from tests.integration.portal.guarded import form_token, guarded_forms
from tests.integration.portal.people import OWEN, browser, sign_in

pytestmark = pytest.mark.servers


async def test_every_form_of_operations_is_the_visitors_own(operations: Operations) -> None:
    page = f"{operations.url}/set-aside/page"
    async with browser() as other, browser() as client:
        others = form_token((await sign_in(other, page, OWEN)).text)
        own = form_token((await sign_in(client, page, OWEN)).text)
        assert own != others
        forms = await guarded_forms(operations.app, operations.url, client, own, others)
        assert forms >= {"/sign-out", "/set-aside/page"}
