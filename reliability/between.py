"""What may come back between ARM and the controller, whatever became of the request itself."""

from collections.abc import Callable, Mapping

from emulator.arm.calls import Answer
from gitslot.state.decision import Frozen
from reliability.scenarios import Scene


class Between:
    """Stands before ARM's front and spoils answers whose requests have done their work."""

    def __init__(self, scene: Scene, spoil: Callable[[str, Answer], Answer]) -> None:
        self._inner, self._spoil, self._spoilt = scene.cloud.gateway, spoil, False
        scene.must("a spoilt answer", lambda: self._spoilt)
        scene.cloud.gateway = self  # type: ignore[assignment]  # the same by shape

    def answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        """Answer as the emulator does, and spoil it."""
        found = self._inner.answer(method, path, query, headers, body)
        spoilt = self._spoil(f"{method} {path}", found)
        self._spoilt = self._spoilt or spoilt is not found
        return spoilt


def gateway_gave_up(scene: Scene) -> None:
    """504 to the POST, sent once the swap that it began has long ended: a retry would undo it."""
    told = [False]

    def spoil(asked: str, answer: Answer) -> Answer:
        if not asked.endswith("/slotsswap") or told[0]:
            return answer
        told[0] = True
        scene.cloud.wait(230.0)
        return Answer(504, {"error": {"code": "GatewayTimeout", "message": "no answer in time"}})

    Between(scene, spoil)


def forgotten(scene: Scene) -> None:
    """404 to every poll: whoever is asked does not know the operation, which runs all the same."""

    def spoil(asked: str, answer: Answer) -> Answer:
        if "/operationresults/" not in asked:
            return answer
        return Answer(404, {"error": {"code": "NotFound", "message": "no such operation"}})

    Between(scene, spoil)


def forgotten_and_failed(scene: Scene) -> None:
    """404 to every poll of a swap that fails."""
    scene.cloud.plant("swap-ping")
    forgotten(scene)


def accepted_at_once(scene: Scene) -> None:
    """200 to the POST and nowhere to poll, though the swap has only begun, and fails."""
    scene.cloud.plant("swap-ping")
    Between(
        scene,
        lambda asked, answer: Answer(200) if asked.endswith("/slotsswap") else answer,
    )


def not_there(scene: Scene) -> None:
    """404 to every read of the app: it is gone, or the controller may not see it any more."""
    scene.wants, scene.stop = scene.cloud.serves(), Frozen

    def spoil(asked: str, answer: Answer) -> Answer:
        if asked.startswith("GET") and "/sites/" in asked:
            return Answer(404, {"Code": "NotFound", "Message": "no such site"})
        return answer

    Between(scene, spoil)


def not_listed(scene: Scene) -> None:
    """ARM's list of what there is does not name the app any more."""
    scene.wants, scene.stop = scene.cloud.serves(), Frozen

    def spoil(asked: str, answer: Answer) -> Answer:
        return Answer(200, {"value": []}) if asked.endswith("/resources") else answer

    Between(scene, spoil)


ANSWERS: Mapping[str, Callable[[Scene], None]] = {
    "504-once-it-ended": gateway_gave_up,
    "200-at-once": accepted_at_once,
    "404-app": not_there,
    "404-in-the-list": not_listed,
    "404-poll": forgotten,
    "404-poll-failed": forgotten_and_failed,
}
