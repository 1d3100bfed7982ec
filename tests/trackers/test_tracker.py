"""What a tracker is told."""

from evoact.trackers.tracker import Ended


def test_a_summary_has_what_there_is():
    ended = Ended(False, "disk full", "", {"networks_trained": 3.0}, {"config": "/runs/a/config.yaml"})
    assert ended.summary() == {"networks_trained": 3.0, "error": "disk full", "config": "/runs/a/config.yaml"}
