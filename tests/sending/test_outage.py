"""What follows from attempts that fail."""

from collector.sending.outage import Outage


def test_an_outage_is_announced_once() -> None:
    """The first failure is worth telling, and the end with its figures."""
    outage = Outage(patience=2)

    assert [outage.failed(now) for now in (100.0, 101.0, 102.0)] == [True, False, False]
    recovery = outage.answered(160.0)

    assert recovery is not None
    assert (recovery.failures, recovery.seconds) == (3, 60.0)
    assert not outage.present


def test_a_flapping_backend_is_announced_rarely() -> None:
    """Within ten seconds it is not news, and then neither is its end."""
    outage = Outage(patience=2)
    outage.failed(0.0)
    outage.answered(1.0)

    assert not outage.failed(2.0)
    assert outage.answered(3.0) is None
    assert outage.failed(10.0)


def test_nothing_new_is_tried_while_nothing_gets_through() -> None:
    """Two failed and two wait: fresh batches keep their patience, until something is answered."""
    outage = Outage(patience=2)
    assert outage.admits(begun=2, now=0.0)
    outage.failed(0.0)
    assert outage.admits(begun=5, now=0.0)
    outage.failed(0.0)

    assert outage.admits(begun=1, now=0.0)
    assert outage.admits(begun=2, now=0.0), "the first probe"
    assert not outage.admits(begun=2, now=29.0)
    assert outage.admits(begun=2, now=30.0), "the next probe"
    outage.answered(31.0)
    assert outage.admits(begun=2, now=31.0)
