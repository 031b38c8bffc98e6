"""What Stripe has no path for: the fault dial, the buyer's 3-D Secure page, health."""

from html import escape
from urllib.parse import parse_qs

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from payment_service.sandbox import intents
from payment_service.sandbox.failures import StripeFailure, bad_parameter
from payment_service.sandbox.faults import Faults
from payment_service.sandbox.params import decode, text

PAGE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Authenticate</title><h1>3-D Secure test page</h1><p>{amount} {currency}</p>
<form method="post"><button name="outcome" value="success">Complete</button>
<button name="outcome" value="failure">Fail</button></form>"""


def routes() -> list[Route]:
    return [
        Route("/sandbox/faults", faults, methods=["GET", "POST", "DELETE"]),
        Route("/sandbox/authenticate/{id}", authenticate, methods=["GET", "POST"]),
        Route("/livez", alive),
        Route("/readyz", ready),
    ]


async def faults(request: Request) -> Response:
    dial = request.app.state.dial
    if request.method == "DELETE":
        dial.set(Faults())
    elif request.method == "POST":
        try:
            dial.set(Faults.model_validate_json(await request.body()))
        except ValidationError as error:
            fault = error.errors()[0]
            raise bad_parameter(".".join(map(str, fault["loc"]))[:100], fault["msg"]) from error
    return JSONResponse(dial.faults.model_dump(by_alias=True))


async def authenticate(request: Request) -> Response:
    """The page to which a buyer is sent, and its two buttons."""
    state = request.app.state
    id_ = request.path_params["id"]
    intent = state.ledger.load("payment_intent", id_)
    if request.method == "GET":
        return HTMLResponse(PAGE.format(amount=intent["amount"], currency=escape(intent["currency"])))
    outcome = text(decode(await request.body()), "outcome")
    outcome = outcome or parse_qs(request.url.query).get("outcome", [""])[0]
    if outcome not in {"success", "failure"}:
        raise StripeFailure(400, "outcome must be success or failure.", param="outcome")
    back = ((intent["next_action"] or {}).get("redirect_to_url") or {}).get("return_url")
    with state.ledger.transaction():
        intent = intents.authenticate(state.ledger, id_, outcome == "success")
    state.courier.wake.set()
    if back and back.startswith(("http://", "https://")):
        return RedirectResponse(back, 303)
    return JSONResponse(intent)


async def alive(_: Request) -> Response:
    return JSONResponse({"status": "alive"})


async def ready(request: Request) -> Response:
    request.app.state.ledger.ping()
    return JSONResponse({"status": "ready", "dependencies": {"sqlite": "ok"}})
