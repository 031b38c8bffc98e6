"""Routes and models of outgoing webhooks."""

from fastapi import APIRouter

from webhooks_service.http import deliveries, endpoints

router = APIRouter(tags=["webhooks"])
for part in (endpoints, deliveries):
    router.include_router(part.router)
