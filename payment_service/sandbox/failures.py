"""Stripe's way of refusing: a status, and `{"error": {type, code, message, param}}`."""

from typing import Any


class StripeFailure(Exception):
    """Answered as it stands; `details` are further fields of the error object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type_: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        given = {"type": type_, "code": code, "message": message, "param": param, **details}
        # Told before any work was begun.
        self.of_parameters = param is not None or type_ == "idempotency_error"
        self.body = {"error": {name: value for name, value in given.items() if value is not None}}


def bad_parameter(param: str, message: str, code: str | None = None) -> StripeFailure:
    return StripeFailure(400, message, code=code, param=param)


def missing_parameter(param: str) -> StripeFailure:
    return bad_parameter(param, f"Missing required param: {param}.", "parameter_missing")


def no_such(kind: str, id_: str, param: str = "id") -> StripeFailure:
    return StripeFailure(404, f"No such {kind}: '{id_}'", code="resource_missing", param=param)
