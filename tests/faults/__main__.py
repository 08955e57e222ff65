"""`make faults`: every attack, repeated, and a table of what each one cost.

    make faults ARGS="--repetitions 20 --only kill-9"

Exit status 1 where any repetition was not exact. `--json FILE` also writes the figures.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from faults.arena import arena
from faults.attack import Attack, Outcome
from faults.attacks import ATTACKS
from lumina_api.stack.broker import running_broker

HEAD = (
    "fault",
    "repetitions",
    "lost",
    "duplicated",
    "baselines",
    "alerts",
    "resume s (median/max)",
    "broken",
)


async def repeated(attack: Attack, times: int, kafka: str, folder: Path, thorough: bool) -> list[Outcome]:
    """The outcomes of so many repetitions, each on topics of its own."""
    outcomes = []
    for number in range(times):
        began = time.monotonic()
        try:
            own = None if attack.own_broker else kafka
            async with arena(folder / f"{attack.name}-{number}", own, thorough=thorough) as there:
                outcome = await attack.run(there)
        except Exception as error:  # one that fails must not keep the others from running
            outcome = Outcome(broken=[f"{type(error).__name__}: {error}"[:600]])
        outcomes.append(outcome)
        said = "exact" if outcome.exact else repr(outcome)
        print(
            f"{attack.name} {number + 1}/{times}: {said} ({time.monotonic() - began:.0f} s)", file=sys.stderr
        )
    return outcomes


def row(attack: Attack, outcomes: list[Outcome]) -> tuple[str, ...]:
    """One line of the table."""
    resumed = sorted(outcome.resume_s for outcome in outcomes if outcome.resume_s is not None)
    times = f"{resumed[len(resumed) // 2]:.1f}/{resumed[-1]:.1f}" if resumed else "-"
    sums = (sum(getattr(o, name) for o in outcomes) for name in ("lost", "duplicated", "baselines", "alerts"))
    return (
        attack.name,
        str(len(outcomes)),
        *map(str, sums),
        times,
        str(sum(bool(o.broken) for o in outcomes)),
    )


def main() -> None:
    """Run the attacks and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument(
        "--only", action="append", choices=sorted(ATTACKS), help="this attack; may be repeated"
    )
    parser.add_argument(
        "--brief", action="store_true", help="faults as short as in the test suite, not as long as promised"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    chosen = [ATTACKS[name] for name in options.only or ATTACKS]
    table: list[tuple[str, ...]] = [HEAD]
    results: dict[str, list[Outcome]] = {}
    with tempfile.TemporaryDirectory(prefix="lumina-faults-") as folder, ExitStack() as end:
        kafka = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
        if not kafka and not all(attack.own_broker for attack in chosen):
            kafka = end.enter_context(running_broker(Path(folder) / "kafka")).bootstrap_servers
        for attack in chosen:
            results[attack.name] = asyncio.run(
                repeated(attack, options.repetitions, kafka, Path(folder), not options.brief)
            )
            table.append(row(attack, results[attack.name]))
    widths = [max(len(line[column]) for line in table) for column in range(len(HEAD))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    if options.json:
        options.json.write_text(
            json.dumps({name: [vars(o) for o in outcomes] for name, outcomes in results.items()}, indent=1)
        )
    for name, outcomes in results.items():
        for reason in sorted({reason for outcome in outcomes for reason in outcome.broken}):
            print(f"{name}: {reason}", file=sys.stderr)
    sys.exit(not all(outcome.exact for outcomes in results.values() for outcome in outcomes))


if __name__ == "__main__":
    main()
