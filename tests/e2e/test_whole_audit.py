"""The auditor on everything that the tests of this folder did before: its name makes it the last of them."""

import pytest

from services.operations.audit.auditing import audit
from tests.eventually import eventually
from tests.whole import Whole, completion, enrolment

pytestmark = pytest.mark.servers


async def test_nothing_is_lost_doubled_invented_or_out_of_balance(whole: Whole) -> None:
    # Of every invariant there is something to examine, whatever ran before.
    document = completion("w1", "delmere:cloud")
    assert (await whole.enrol(enrolment("w1", "northbridge:bsc-data-science"))).status_code == 201
    assert (await whole.publish(document)).status_code == 201

    async def is_decided() -> bool:
        return bool(await whole.fetch("recognition", "SELECT 1 FROM decision WHERE grant_id IS NOT NULL LIMIT 1"))

    await eventually(is_decided, within=60)
    assert (
        await whole.publish(document | {"revision": 2, "revoked": True, "revocation_reason": "in error"})
    ).is_success
    services = ("provider", "recognition", "learner_record", "operations")
    report = await audit({service: whole.database(service) for service in services}, settle_within=120)
    wrong = [(one.invariant, violation) for one in report.results for violation in one.violations]
    assert (wrong, report.empty) == ([], [])
