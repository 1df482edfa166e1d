from equatorium.testing import conformance

test_conformance = conformance(
    "equatorium-regression",
    expected_failures={
        "robust:scikit_learn_accepts_it": "one check has 11 rows of 10 inputs: a line through all, "
        "whose errors nobody can see"
    },
)
