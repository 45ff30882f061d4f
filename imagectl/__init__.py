"""imagectl updates Amazon SageMaker images: checked before, previewed, certain after.

The way through the package: `__main__.main` -> `cli` builds a request -> `constraints` judges it ->
`sagemaker` speaks to the service -> `update` and `apply` carry it out -> `render` tells the result.
"""

__version__ = "0.1.0"
