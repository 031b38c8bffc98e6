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


class MoneyDisputed(Conflict):
    """`refundable` is what is left beside the `disputed` money, which must not go back twice."""

    slug, title = "payment-disputed", "The buyer's bank has taken this money back, or may"


class RefundDiffers(Conflict):
    """`amount` is that of the refund that is there."""

    slug, title = "refund-differs", "This refund was asked for with another amount"


class RefundRefused(Conflict):
    slug, title = "refund-refused", "The payment gateway refused the refund"


class RefundReturned(Conflict):
    """`refund_id` had arrived by all we knew. A person has to pay the buyer in another way."""

    slug, title = "refund-returned", "The buyer's bank sent a refund back after it had succeeded"


class PaymentClosed(Conflict):
    """The booking is over, or the payment was cancelled."""

    slug, title = "payment-closed", "No more money is taken for this booking"


class NotCancellable(Conflict):
    slug, title = "payment-not-cancellable", "The money was taken: it can only be refunded"


class WebhookNotFound(NotFound):
    slug, title = "webhook-not-found", "There is no such webhook event"


class NotReplayable(Conflict):
    """`state` is what became of it."""

    slug, title = "webhook-not-replayable", "Only an event that failed or matched no payment is replayed"


class NotDismissable(Conflict):
    """`state` is what became of it, or that it still waits to be applied."""

    slug, title = "webhook-not-dismissable", "Only an event that failed or matched no payment is dismissed"


class GatewayRefused(Invalid):
    """The gateway won't take this payment, however often one asks: its currency or its amount, say."""

    slug, title = "gateway-refused", "The payment gateway refused this"


class BadWebhook(Malformed):
    """Forged, unsigned, too old, dated ahead, or unreadable."""

    slug, title = "bad-webhook", "This is no webhook of the payment gateway"
