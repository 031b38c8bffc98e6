"""Routes and models of the catalogue."""

from fastapi import APIRouter

from venues_service.http import cities, events, hall_files, halls, imports, showtimes, venues

router = APIRouter(prefix="/api/v1")
for part in (venues, halls, hall_files, events, showtimes, cities, imports):
    router.include_router(part.router)
