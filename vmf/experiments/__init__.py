"""The paper's experiments: what ``vmf reproduce`` runs.

A configuration (`vmf.experiments.configuration`, YAML checked by `vmf.experiments.schema`) goes to
one experiment (`bessel_accuracy`, `bessel_runtime`, `vmf_cifar10`), which fills one folder
(`vmf.experiments.run_folder`) with tables and figures. Needs the extra ``experiments``; nothing else
in the package imports it.
"""
