"""Refusals of the payment service."""

from service_kit.errors import Conflict, Invalid, Malformed, NotFound


class PaymentNotFound(NotFound):
    slug, title = "payment-not-found", "There is no such payment"


class AmountDiffers(Conflict):
    """`amount` and `currency` are those of the payment that is there."""

    slug, title = "payment-differs", "The payment of this booking is over another sum or for somebody else"


class NotRefundable(Conflict):
    slug, title = "not-refundable", "Only a completed payment can be refunded"


class RefundTooLarge(Conflict):
    """`refundable` is what is left."""

    slug, title = "refund-too-large", "This is more than what is left to refund"


class RefundDiffers(Conflict):
    """`amount` is that of the refund that is there."""

    slug, title = "refund-differs", "This refund was asked for with another amount"


class RefundRefused(Conflict):
    slug, title = "refund-refused", "The payment gateway refused the refund"


class GatewayRefused(Invalid):
    """The gateway won't take this payment, however often one asks: its currency or its amount, say."""

    slug, title = "gateway-refused", "The payment gateway refused this"


class BadWebhook(Malformed):
    """Forged, unsigned, too old, dated ahead, or unreadable."""

    slug, title = "bad-webhook", "This is no webhook of the payment gateway"
