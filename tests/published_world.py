"""Two chapters with tables and claims that are made up and stay as they are, for tests that count verdicts.

ch9_toy has 10 cells of its own: 4 errors, 3 counts of parameters, 2 times and their ratio; and 5 cases of claims.
ch9_none has one cell and no claim, and nothing is there for it.
"""

from pathlib import Path

REFERENCES = '1: "Jin: Deep learning with S-shaped rectified linear activation units. 2016"\n'
ERRORS = """
table: "9.1"
section: "9.1"
caption: Errors
row_heading: Model
columns:
  - id: error
    heading: CIFAR-10
    unit: "%"
    source: metrics
    experiment: cifar10
    metric: error
    tolerance: {kind: binomial, n: 10000, confidence: 0.95, origin: the binomial error of 10 000 images}
  - id: basic
    heading: basic parameters
    source: metrics
    experiment: architectures
    dataset: cifar10
    metric: parameters_basic
    tolerance: &count {kind: rounding, origin: a count}
  - {id: side, heading: side, source: metrics, experiment: architectures, dataset: cifar10, metric: parameters_side, tolerance: *count}
  - {id: fusion, heading: fuse, source: metrics, experiment: architectures, metric: parameters_fusion, dataset: cifar10, tolerance: *count}
rows:
  - {id: srelu, label: NIN + SReLU, reference: 1, cells: {error: "8.41"}}
  - {id: cnn-a, label: CNN-A, model: cnn-a, cells: {error: "15.57"}}
  - {id: cfn-a, label: CFN-A, model: cfn-a, cells: {error: "14.73"}}
  - {id: cnn-b, label: CNN-B, model: cnn-b, cells: {error: "9.28"}}
  - {id: cfn-b, label: CFN-B, model: cfn-b, cells: {error: "8.27", basic: 1.287M, side: 0.074M, fusion: "768"}}
"""
TIMES = """
table: "text 9.1"
section: "9.1"
caption: Training times
row_heading: Model
columns:
  - id: hours
    heading: training time
    unit: h
    source: times
    experiment: cifar10
    tolerance: {kind: quotient_rounding, origin: the rounding of both}
rows:
  - {id: cnn-b, label: CNN-B, stage: toy_train@cnn-b, cannot_run: another machine, cells: {hours: "1.67"}}
  - {id: cfn-b, label: CFN-B, stage: toy_train@cfn-b, cannot_run: another machine, cells: {hours: "2.08"}}
  - {id: ratio, label: CFN-B over CNN-B, ratio: [cfn-b, cnn-b], cells: {hours: "1.246"}}
"""
CLAIMS = """
claims:
  - id: cfn-below-cnn
    section: "9.1"
    place: Table 9.1
    statement: CFN errs less than CNN.
    kind: less
    metric: error
    cases:
      - {a: cfn-a, b: cnn-a, experiment: cifar10}
      - {a: cfn-b, b: cnn-b, experiment: cifar10}
  - id: cfn-below-cited
    section: "9.1"
    place: Table 9.1
    statement: CFN errs less than what is cited.
    kind: below_cited
    metric: error
    table: "9.1"
    cases:
      - {model: cfn-b, experiment: cifar10}
  - id: few-added-parameters
    section: "9.1"
    place: Table 9.1
    statement: CFN adds few parameters.
    kind: share
    parts: [parameters_side, parameters_fusion]
    whole: parameters_basic
    bound_origin: 5.8 % as printed, rounded up
    cases:
      - {model: cfn-b, dataset: cifar10, below: 0.06}
  - id: competitive
    section: "9.1"
    place: Table 9.1
    statement: CFN is competitive.
    kind: not judged
    reason: no number
"""
NONE = """
table: "9.2"
section: "9.2"
caption: x
row_heading: Model
columns:
  - {id: e, heading: e, unit: "%", source: metrics, experiment: e, metric: error, tolerance: {kind: rounding, origin: x}}
rows:
  - {id: m, label: m, model: m, cells: {e: "1.0"}}
"""
FILES = {
    "references.yaml": REFERENCES,
    "ch9_toy/table_9_1.yaml": ERRORS,
    "ch9_toy/text_9_1.yaml": TIMES,
    "ch9_toy/claims.yaml": CLAIMS,
    "ch9_none/table_9_2.yaml": NONE,
}


def write_published(*names: str) -> None:
    """Write these of FILES, or all, where the current folder's project has its transcribed tables."""
    for name in names or FILES:
        file = Path("stages/tables/published") / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(FILES[name], encoding="utf-8")
