"""What officers decide, by referral and on appeal: the routes, and what they share."""

from zoneinfo import ZoneInfo

from fastapi import APIRouter

from chassis.clock import Clock
from chassis.database import Pool
from services.recognition.api import appeals, referrals
from services.recognition.api.referrals import Days
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.application.evidence import Evidence
from services.recognition.application.officers import Officers
from services.recognition.domain.business_days import Calendar


def routes(pool: Pool, clock: Clock, catalogues: CatalogueReader, *, zone: ZoneInfo, calendar: Calendar) -> APIRouter:
    """The routes under /referrals and /appeals."""
    officers = Officers(pool, clock, catalogues, zone=zone, calendar=calendar)
    evidence, days = Evidence(catalogues, zone), Days(clock, zone, calendar)
    router = APIRouter()
    router.include_router(referrals.routes(pool, officers, evidence, catalogues, days))
    router.include_router(appeals.routes(pool, officers, evidence, days))
    return router
