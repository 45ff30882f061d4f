"""imagectl updates Amazon SageMaker images: checked before, previewed, certain after.

The way through the package: `__main__.main` -> `cli` builds a request -> `update` or `fleet` carries it out,
through the service that `aws` connects to -> `render` shows the result. What goes wrong on the way is an
`ImagectlError`.

    floor 4   __main__, cli
    floor 3   completion, sandbox, options, tree, render, topics, pages, habits
    floor 2   fleet, update, aws
    floor 1   constraints, image, cache, installed, errors, text

A module imports only what stands behind it in this picture: on its own floor further to the right, or on a
floor below. `aws/`, `fleet/`, `completion/` and `sandbox/` are wings: no wing imports another, and `update`
imports none; they meet in `cli` only. tests/test_imports.py reads the picture and holds the code to it.
"""

__version__ = "0.1.0"
VERSION_LINE = f"imagectl {__version__}"
