"""One cell of the study pssl: `python -m robot.study.pssl_worker ORDER`, an order being JSON."""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from robot.study.cells import Cell, Protocol
from robot.study.conduct import Plan
from robot.study.measure import measure
from robot.study.worker import work

WORKER = (sys.executable, "-m", "robot.study.pssl_worker")


class Order(msgspec.Struct):
    """What to measure."""

    cell: Cell
    protocol: Protocol
    packages: str


def plan_of(
    cells: Sequence[Cell],
    protocol: Protocol,
    rows: Path,
    packages: Path,
    jobs: int,
    worker: tuple[str, ...] = WORKER,
) -> Plan:
    """The cells of the study as something that can be conducted."""

    def order(cell: Cell) -> str:
        return msgspec.json.encode(Order(cell, protocol, str(packages))).decode()

    return Plan(cells, order, rows, jobs, worker)


def main(argv: list[str]) -> int:
    """Measures what the order says."""
    order = msgspec.json.decode(argv[0], type=Order)
    return work(lambda hooks: measure(order.cell, order.protocol, Path(order.packages), hooks))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
