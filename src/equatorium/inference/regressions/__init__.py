"""Ready models: a regression's likelihood together with parameters and their default priors."""
