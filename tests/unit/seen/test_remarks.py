"""What a service remarks is told at once, and again only now and then."""

from crossfoot.seen.remarks import Remarks

FAILED = "clicks: Connection refused (after {}ms in state CONNECT); it is tried again"


class Service:
    """Remarks at moments, and what was told of them."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.told: list[tuple[float, str]] = []
        self.remarks = Remarks(lambda text: self.told.append((self.now_s, text)), lambda: self.now_s)

    def at(self, now_s: float, text: str) -> None:
        self.now_s = now_s
        self.remarks(text)


def test_different_remarks_are_all_told():
    service = Service()
    for number in range(1000):
        service.at(0, f"clicks/{number}: the definition has changed")
    assert len(service.told) == 1000


def test_what_comes_again_and_again_is_told_less_and_less_often():
    """After a minute, two, four, up to an hour; with how often it came, and as it is now."""
    service = Service()
    for second in range(24 * 3600):
        service.at(second, FAILED.format(second % 7))
    minutes = [round(at / 60, 6) for at, _ in service.told]
    assert minutes == [0, 1, 3, 7, 15, 31, 63, *range(123, 1440, 60)]
    assert service.told[0] == (0, FAILED.format(0))
    assert service.told[2] == (180, FAILED.format(180 % 7) + " (120 times since it was told)")


def test_what_had_ended_is_told_at_once_when_it_comes_again():
    """It has ended when it did not come for as long as it is held back."""
    service = Service()
    for at_s in (0, 1, 59, 118, 200, 321):
        service.at(at_s, FAILED.format(0))
    assert [at_s for at_s, _ in service.told] == [0, 118, 321]
    assert service.told[-1] == (321, FAILED.format(0))


def test_a_remark_that_is_told_again_is_of_its_kind():
    """Who takes it asks for it."""

    class Warned(str):
        __slots__ = ()

    told: list[str] = []
    times = iter((0.0, 59.0, 61.0))
    remarks = Remarks(told.append, lambda: next(times))
    for _ in range(3):
        remarks(Warned("down"))
    assert told[1:] == ["down (2 times since it was told)"]
    assert type(told[1]) is Warned


def test_not_all_remarks_of_all_time_are_kept():
    service = Service()
    for number in range(10_000):
        service.at(0, str(number))
    service.at(1, "0")
    assert service.told[-1] == (1, "0")
    service.at(1, "9999")
    assert service.told[-1] == (1, "0")
