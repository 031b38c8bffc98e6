"""The fault dial of the sandbox theatre. Its fields are explained in `__main__`."""

import random
from typing import Annotated

from pydantic import Field, StrictBool, StrictFloat, StrictInt

from service_kit.models import Model

Often = StrictBool | Annotated[StrictInt, Field(ge=0)] | Annotated[StrictFloat, Field(ge=0, le=1)]


class Faults(Model):
    delay_ms: Annotated[int, Field(strict=True, ge=0, le=600_000)] = 0
    hang: Often = False
    fail: Often = False
    answer_lost: Often = False
    refuse: Often = False
    bad_signature: Often = False
    garbage: Often = False
    redirect: Often = False


class Dial:
    """The faults that are set. A count goes down by one each time its fault strikes."""

    def __init__(self) -> None:
        self.faults = Faults()

    def strikes(self, name: str) -> bool:
        often: bool | int | float = getattr(self.faults, name)
        if isinstance(often, bool):
            return often
        if isinstance(often, float):
            return random.random() < often
        if often > 0:
            self.faults = self.faults.model_copy(update={name: often - 1})
        return often > 0
