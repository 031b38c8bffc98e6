"""Bad input is answered with a problem or with sense, never with a fault of ours."""

import httpx2
import pytest

from search_service.app import create_app
from search_service.config import Settings
from tests.component.search.conftest import Programme
from tests.support import running

PATH = "/api/v1/search/shows"


@pytest.mark.parametrize(
    "query",
    [
        *(
            "lat=48",
            "lon=2",
            "lat=NaN&lon=2",
            "lat=1&lon=inf",
            "lat=91&lon=0",
            "lat=0&lon=181",
            "lat=x&lon=y",
            "lat=&lon=",
        ),
        *("lat=1&lon=1&distance=0km", "lat=1&lon=1&distance=-1km", "lat=1&lon=1&distance=20001km"),
        *("lat=1&lon=1&distance=1000000km", "lat=1&lon=1&distance=NaNkm", "lat=1&lon=1&distance=10", "distance=10km"),
        *("lat=1&lon=1&distance=10parsecs", "sort=distance", "sort=best", "near=Nowhereville%20Xyzzy", "near=!!!"),
        *("bbox=1,2,3", "bbox=NaN,0,1,1", "bbox=0,5,1,4", "bbox=a,b,c,d", "bbox=", "bbox=0,0,1e999,1"),
        *("startDate=yesterday", "startDate=2026-13-40", "endDate=0001-01-01T00:00:00%2B14:00"),
        *("startDate=2026-12-24&endDate=2026-12-23", "startDate=2026-12-24T20:00:00Z&endDate=2026-12-24T19:00:00Z"),
        *("limit=0", "limit=101", "limit=-1", "limit=x", "limit=1.5", "limit=99999999999999999999"),
        *("maxPrice=-1", "maxPrice=x", "maxPrice=1e400", "seatsTogether=0", "seatsTogether=-3", "seatsTogether=1001"),
        *(
            "cursor=forged",
            "cursor=AAAA",
            "cursor=%00",
            "groupBy=venue",
            "facets=colour",
            "availableOnly=maybe",
        ),
        *(f"query={'x' * 201}", "query=%00", "query=a%0Ab", "city=%E2%80%AE", "near=%7F", f"cursor={'A' * 3000}"),
        *("limit=%D9%A3", "limit=1e9", "lat=1&lon=1&limit=0", "limit=20&limit=0", "lon=2&lat=1&lat=NaN", "query[]=%00"),
        *(
            "venueId[0]=a",
            "[]=a",
            "=a",
            "asTyped=all",
            "startDate=2026-12-24T00:00:00%2B99:00",
        ),
        *("unknown=1", "query[$gt]=1", "category=" + "&category=".join("abc" for _ in range(60))),
    ],
)
async def test_what_cannot_be_meant_is_refused_with_a_problem(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"{PATH}?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    "query",
    [
        *("lat=90&lon=0", "lat=-90&lon=180&distance=20000km", "lat=0&lon=180&distance=500km&sort=distance"),
        *(
            "bbox=-180,-90,180,90",
            "bbox=179,-1,-179,1",
            "startDate=0001-01-01&endDate=9999-12-31",
            "query=",
            "near=",
            "cursor=",
        ),
        *(
            "limit=0&limit=20",
            "query=%FF%FE",
            "query=%ED%A0%80",
            "query=%C0%80",
            "query[]=a&query[]=b",
            "venueId[]=!!!",
        ),
        *("&".join(f"city={number}" for number in range(50)), "query=" + "a%20" * 100, "query=%F0%9F%8E%AD" * 9),
        *("category=&city=", "endDate=1999-01-01", "startDate=9999-12-31T23:59:59Z", "maxPrice=100000000000"),
    ],
)
async def test_the_edges_of_the_world_and_of_time_are_answered(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.text


async def test_a_cursor_is_only_good_for_its_own_search(client: httpx2.AsyncClient) -> None:
    cursor = (await client.get(PATH, params={"query": "Paging", "limit": 5})).json()["nextCursor"]
    assert (await client.get(PATH, params={"query": "Paging", "limit": 9, "cursor": cursor})).status_code == 200
    other = await client.get(PATH, params={"query": "Dune", "limit": 5, "cursor": cursor})
    assert other.status_code == 422
    flipped = cursor[:30] + ("A" if cursor[30] != "A" else "B") + cursor[31:]
    assert (await client.get(PATH, params={"query": "Paging", "cursor": flipped})).status_code == 422


async def test_while_elasticsearch_is_away_the_answer_is_503_with_a_time_to_come_back(
    search_settings: Settings, programme: Programme
) -> None:
    away = search_settings.model_dump() | {"elasticsearch_url": "http://127.0.0.1:9"}
    async with running(create_app(Settings.model_validate(away), programme.clock)) as client:
        for path in (PATH, "/api/v1/search/suggest?q=a", "/api/v1/search/map?bbox=0,0,1,1&zoom=5"):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["content-type"] == "application/problem+json"
        assert (await client.get("/api/v1/search/places?q=Paris")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503


async def test_before_the_index_is_there_the_answer_is_503(search_settings: Settings, programme: Programme) -> None:
    nothing = search_settings.model_dump() | {"namespace": f"{search_settings.namespace}nothing"}
    async with running(create_app(Settings.model_validate(nothing), programme.clock)) as client:
        for path in (PATH, "/api/v1/search/suggest?q=a", "/api/v1/search/map?bbox=0,0,1,1&zoom=5"):
            assert (await client.get(path)).status_code == 503
