"""imagectl updates Amazon SageMaker images: checked before, previewed, certain after.

The way through the package: `__main__.main` -> `cli` builds a request -> `constraints` judges it ->
`sagemaker` speaks to the service -> `update` and `apply` carry it out -> `render` tells the result.
What is raised on the way is an `ImagectlError`. Each module knows only those of the floors below it:

    floor 5   __main__, cli; sandbox stands beside the house
    floor 4   options, tree (Typer); render (the only rich); completion
    floor 3   update (one image); apply -> sender -> settling (many); image_names (for TAB)
    floor 2   sagemaker -> service_model (the only botocore); constraints; manifest -> documents, rollback
    floor 1   image (the nouns), errors (the one table), text (safe), cache, rate
"""

__version__ = "0.1.0"
