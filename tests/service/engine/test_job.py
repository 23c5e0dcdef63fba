"""A lane: bursts have all its places, and once they are taken a long queue has fewer."""

from service.engine.job import Lane


def filled(places: int) -> Lane:
    lane = Lane(places)
    for _ in range(places):
        assert lane.has_room()
        lane.enter()
    return lane


def room_of(lane: Lane) -> int:
    """Return how many fit by now, and let them go again."""
    entered = 0
    while lane.has_room():
        lane.enter()
        entered += 1
    most = lane.in_flight
    for _ in range(entered):
        lane.leave()
    return most


def test_a_burst_has_all_places() -> None:
    lane = filled(33)
    for _ in range(33):
        lane.leave()
    assert filled(33).in_flight == 33


def test_after_a_refusal_a_third_of_the_places_is_closed() -> None:
    lane = filled(33)
    assert not lane.has_room()
    for _ in range(11):
        lane.leave()
        assert not lane.has_room()
    lane.leave()
    assert lane.has_room()
    assert room_of(lane) == 22


def test_they_are_open_again_when_two_thirds_are_free() -> None:
    lane = filled(33)
    assert not lane.has_room()
    for _ in range(22):
        lane.leave()
    assert room_of(lane) == 33


def test_a_short_queue_keeps_its_places() -> None:
    lane = filled(6)
    assert not lane.has_room()
    lane.leave()
    assert lane.has_room()
