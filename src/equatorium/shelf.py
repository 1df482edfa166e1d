"""What the core itself offers, registered through the same hooks as every plugin's methods."""

from collections.abc import Iterable

from equatorium.plugin import Method, hookimpl


@hookimpl
def register_emulators() -> Iterable[Method]:
    """Return what makes emulators of other methods."""
    return [
        Method(
            name="embedded",
            target="equatorium.emulate.compose:Embedded",
            summary="An emulator that works in the latent space of an embedder",
            capabilities={"variance", "covariance", "noise"},
            reference=(
                "Higdon D., Gattiker J., Williams B. & Rightley M. 2008, Journal of the American "
                "Statistical Association 103, 570, doi:10.1198/016214507000000888"
            ),
        ),
        Method(
            name="conformal",
            target="equatorium.emulate.conformal:Conformal",
            summary="Any predictor of points, with its errors on unseen runs as its distribution",
            capabilities={"variance", "covariance", "noise"},
            reference=(
                "Barber R. F., Candes E. J., Ramdas A. & Tibshirani R. J. 2021, Annals of "
                "Statistics 49, 486, doi:10.1214/20-AOS1965"
            ),
        ),
        Method(
            name="split-conformal",
            target="equatorium.emulate.split_conformal:SplitConformal",
            summary="Any predictor of points, with intervals that are guaranteed and locally wide",
            capabilities={"variance", "covariance"},
            reference=(
                "Lei J., G'Sell M., Rinaldo A., Tibshirani R. J. & Wasserman L. 2018, Journal of "
                "the American Statistical Association 113, 1094, doi:10.1080/01621459.2017.1307116"
            ),
        ),
        Method(
            name="noisy-inputs",
            target="equatorium.emulate.noisy_inputs:NoisyInputs",
            summary="Any emulator for inputs with errors: noisy copies, draws of the true input",
            capabilities={"variance", "covariance", "noise"},
            reference="Ucci G. et al. 2018, MNRAS 477, 1484, doi:10.1093/mnras/sty804",
        ),
    ]


@hookimpl
def register_ensembles() -> Iterable[Method]:
    """Return the committee of other emulators."""
    return [
        Method(
            name="committee",
            target="equatorium.emulate.committee:Committee",
            roles=("emulator",),
            summary="Several emulators, mixed by what each is worth on unseen runs",
            capabilities={"variance", "covariance", "noise"},
            reference=(
                "Yao Y., Vehtari A., Simpson D. & Gelman A. 2018, Bayesian Analysis 13, 917, "
                "doi:10.1214/17-BA1091"
            ),
        ),
    ]


@hookimpl
def register_simulators() -> Iterable[Method]:
    """Return the test function and the adapter for executables."""
    return [
        Method(
            name="borehole",
            target="equatorium.simulate.builtin:Borehole",
            summary="Water flow through a borehole: 8 parameters, a classic test function",
            reference=(
                "Morris M. D., Mitchell T. J. & Ylvisaker D. 1993, Technometrics 35, 243, "
                "doi:10.1080/00401706.1993.10485320"
            ),
        ),
        Method(
            name="command",
            target="equatorium.simulate.command:Command",
            summary="Any executable: parameters in, numbers out",
        ),
    ]


@hookimpl
def register_samplers() -> Iterable[Method]:
    """Return the affine-invariant ensemble samplers."""
    return [
        Method(
            name="emcee",
            target="equatorium.inference.sampling:Emcee",
            summary="Affine-invariant ensembles of walkers with differential-evolution moves",
            capabilities={"restart", "vectorised"},
            requires=("emcee",),
            reference=(
                "Foreman-Mackey D., Hogg D. W., Lang D. & Goodman J. 2013, Publications of the "
                "Astronomical Society of the Pacific 125, 306, doi:10.1086/670067",
            ),
        ),
        Method(
            name="batched-ensemble",
            target="equatorium.inference.batched:BatchedEnsemble",
            summary="The moves of emcee, all ensembles as one batch, for fast likelihoods",
            capabilities={"restart", "vectorised"},
            reference=(
                "ter Braak C. J. F. 2006, Statistics and Computing 16, 239, "
                "doi:10.1007/s11222-006-8769-1",
                "ter Braak C. J. F. & Vrugt J. A. 2008, Statistics and Computing 18, 435, "
                "doi:10.1007/s11222-008-9104-9",
            ),
        ),
    ]
