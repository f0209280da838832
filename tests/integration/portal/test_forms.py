"""No form of another session or another site changes anything on the portal, whatever its address."""

import pytest

from tests.integration.portal.conftest import Consortium
from tests.integration.portal.guarded import form_token, guarded_forms
from tests.integration.portal.people import IRIS, OWEN, browser, sign_in

pytestmark = pytest.mark.servers


async def test_every_form_of_the_portal_is_the_visitors_own(standing: Consortium) -> None:
    page = f"{standing.portal_url}/sign-in?return_to=/strathmore/"
    async with browser() as other, browser() as client:
        others = form_token((await sign_in(other, page, OWEN)).text)
        own = form_token((await sign_in(client, page, IRIS)).text)
        forms = await guarded_forms(standing.app, standing.portal_url, client, own, others)
        assert forms >= {"/sign-out", "/{member}/choices/{enrolment_id}", "/{member}/appeals/{decision_id}"}
        still = await client.get(f"{standing.portal_url}/strathmore/")
        assert "Iris Quill" in still.text

        here = {"Sec-Fetch-Site": "same-origin", "Origin": standing.portal_url}
        out = await client.post(f"{standing.portal_url}/sign-out", data={"form_token": own}, headers=here)
        assert out.status_code == 200
