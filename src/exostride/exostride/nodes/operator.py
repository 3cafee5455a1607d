"""The operator's side of the session node: services and the action, which ask the session component."""

from __future__ import annotations

from typing import Any

from exostride_msgs.action import RunSession
from exostride_msgs.srv import RequestState, SetTherapySettings
from rclpy.action.server import ActionServer, CancelResponse, GoalResponse
from rclpy.task import Future

from exostride.control.settings import problems
from exostride.nodes.adapter import ADAPTERS
from exostride.registry import CONTROLLERS, ENVIRONMENT_LAWS, names
from exostride.runtime.protocol import SessionPlan
from exostride.types import SessionPhase, SessionState, SupervisorState, TherapySettings

_OVER = (SessionPhase.FINISHED, SessionPhase.ABORTED)


def refusals(settings: TherapySettings) -> list[str]:
    """Return why a set of settings can't be taken: values out of range, laws that do not exist."""
    found = list(problems(settings))
    for field, group in (("controller", CONTROLLERS), ("environment_law", ENVIRONMENT_LAWS)):
        name, known = getattr(settings, field), names(group)
        if name not in known:
            found.append(f"{field} = {name}: unknown; available: {', '.join(known)}")
    return found


class OperatorSide:
    """Offers ``session/set_settings``, ``session/request`` and ``session/run``.

    Parameters
    ----------
    node
        The session node, whose ``component`` is asked.
    """

    def __init__(self, node: Any) -> None:
        self._node = node
        self._adapter = ADAPTERS[TherapySettings]
        self._goal: Any = None
        self._over: Future[SessionState] | None = None
        node.create_service(SetTherapySettings, "session/set_settings", self._set_settings)
        node.create_service(RequestState, "session/request", self._request)
        self._server = ActionServer(
            node,
            RunSession,
            "session/run",
            execute_callback=self._run,
            goal_callback=self._consider,
            cancel_callback=self._cancel,
        )

    def _set_settings(
        self, request: SetTherapySettings.Request, response: SetTherapySettings.Response
    ) -> SetTherapySettings.Response:
        settings = self._adapter.from_message(request.settings)
        response.problems = refusals(settings)
        response.accepted = not response.problems
        if response.accepted:
            response.effective_seq = self._node.component.change_settings(settings)
        return response

    def _request(
        self, request: RequestState.Request, response: RequestState.Response
    ) -> RequestState.Response:
        if request.state not in list(SupervisorState):
            response.message = f"{request.state} is no state of the supervisor"
        else:
            response.message = self._node.component.request(SupervisorState(request.state))
        response.accepted = not response.message
        return response

    # ------------------------------------------------------------------ action

    def _consider(self, goal: RunSession.Goal) -> GoalResponse:
        wrong = refusals(self._adapter.from_message(goal.settings))
        if wrong or self._goal is not None or not self._node.running:
            reason = "; ".join(wrong) or "a session is running, or the graph is not up yet"
            self._node.log.warning(f"session/run refused: {reason}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _cancel(self, handle: Any) -> CancelResponse:
        del handle
        self._node.component.stop("cancelled by the operator")
        return CancelResponse.ACCEPT

    async def _run(self, handle: Any) -> RunSession.Result:
        """Run one session to its end, with its state as feedback."""
        goal, component = handle.request, self._node.component
        plan = SessionPlan(
            settings=self._adapter.from_message(goal.settings),
            duration_s=goal.duration_s,
            goal_steps=goal.goal_steps,
        )
        refused = component.start(plan)
        if refused:
            handle.abort()
            return RunSession.Result(message=refused)
        self._goal, self._over = handle, Future(executor=self._node.executor)
        state = await self._over
        assert state is not None
        self._goal = self._over = None
        if handle.is_cancel_requested:
            handle.canceled()
        elif state.phase == SessionPhase.FINISHED:
            handle.succeed()
        else:
            handle.abort()
        return RunSession.Result(
            reached=component.reached,
            steps=state.steps,
            walking_s=state.walking_s,
            distance_m=state.distance_m,
            bag=self._node.bag,
            message=state.message,
        )

    def progress(self, state: SessionState) -> None:
        """Tell the client of a running goal where the session stands."""
        if self._goal is None or self._over is None:
            return
        self._goal.publish_feedback(RunSession.Feedback(state=ADAPTERS[SessionState].to_message(state)))
        if state.phase in _OVER and self._node.component.done and not self._over.done():
            self._over.set_result(state)
