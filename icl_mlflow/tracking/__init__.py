"""Everything kept in MLflow, and the only place that imports it.

`store` finds and checks the tracking store, `outbox` takes what a run writes from disk
to it, `runs` opens, ends and finds runs, `models` stores and loads models, and `local`
is what this machine keeps. `pyfunc` stays here: stored models name it.
"""
