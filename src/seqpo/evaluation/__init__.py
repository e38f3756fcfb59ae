"""How good and at what cost, for any kind of task: metrics with intervals, tests, reports, and figures."""
