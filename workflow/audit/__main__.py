"""Every number answers for itself.

python -m workflow.audit verify                            # recompute the metrics, follow every number, check every hash
python -m workflow.audit explain "table 2.2" cfn-b cifar10 # from a cell (a file, a stage, a figure) back to the data
python -m workflow.audit rerun ch2_train@cifar10-cfn-a-0   # make it again in an empty clone, and compare
python -m workflow.audit diff HEAD~5 .                     # which cells differ between two commits, releases or scales, and why
"""

import argparse
import sys
from pathlib import Path

from stages.core.command import exit_on_error


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workflow.audit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="print what holds and what does not, and why; status 1 if anything does not")
    verify.add_argument("--all", action="store_true", help="recompute also what an earlier audit here found equal and nothing has changed")
    explain = commands.add_parser("explain", help="all that led to a cell, a file, a figure or a stage")
    explain.add_argument("what", nargs="+", help='"table 2.2" cfn-b cifar10; "figure 2.7"; a file; a stage')
    explain.add_argument("--json", action="store_true", help="as JSON")
    explain.add_argument("--picture", type=Path, metavar="FILE.svg", help="also draw the chain")
    rerun = commands.add_parser("rerun", help="make it again in a temporary clone with an empty cache, and compare")
    rerun.add_argument("what", nargs="+", help="a cell, as for explain, or a stage")
    rerun.add_argument("--dry", action="store_true", help="only say which stages would run")
    diff = commands.add_parser("diff", help="which cells differ, and which of their inputs")
    diff.add_argument("a", help="a commit, a release, a scale, or . for the working tree")
    diff.add_argument("b")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run one command; its exit status."""
    if args.command == "verify":
        from workflow.audit.verify import verify

        report = verify(args.all)
        print(report.text())
        return int(bool(report.breaks))
    if args.command == "explain":
        from workflow.audit.explain import explain

        print(explain(args.what, args.json, args.picture))
        return 0
    if args.command == "rerun":
        from workflow.audit.rerun import rerun

        text, same = rerun(args.what, args.dry)
        print(text)
        return int(not same)
    from workflow.audit.diff import diff

    print(diff(args.a, args.b))
    return 0


def main() -> None:
    with exit_on_error():
        status = run(parser().parse_args())
    sys.exit(status)


if __name__ == "__main__":
    main()
