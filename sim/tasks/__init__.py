"""Tasks a world can hold: name -> "module:Class" (a `sim.task.Task`), imported when chosen."""

TASKS: dict[str, str] = {
    "room": "sim.tasks.room:RoomTask",
}
