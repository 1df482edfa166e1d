"""What this distribution offers, as data: listing it imports no torch."""

from collections.abc import Iterable

from equatorium.plugin import Method, hookimpl

_ENSEMBLE = (
    "Lakshminarayanan B., Pritzel A. & Blundell C. 2017, NeurIPS 30, doi:10.48550/arXiv.1612.01474"
)
_CALIBRATED = "Guo C., Pleiss G., Sun Y. & Weinberger K. 2017, ICML, doi:10.48550/arXiv.1706.04599"
_MIXTURE = "D'Isanto A. & Polsterer K. L. 2018, A&A 609, A111, doi:10.1051/0004-6361/201731326"
_CONVOLUTION = (
    "LeCun Y., Bottou L., Bengio Y. & Haffner P. 1998, Proc. IEEE 86, 2278, doi:10.1109/5.726791"
)

_GATES = "Cho K. et al. 2014, EMNLP, doi:10.3115/v1/D14-1179"
_FORGETTING = "Che Z. et al. 2018, Sci. Rep. 8, 6085, doi:10.1038/s41598-018-24271-9"
_RESIDUAL = "He K., Zhang X., Ren S. & Sun J. 2016, CVPR, doi:10.1109/CVPR.2016.90"
_AUTOENCODER = (
    "Kingma D. P. & Welling M. 2014, ICLR, doi:10.48550/arXiv.1312.6114",
    "Lucas J., Tucker G., Grosse R. & Norouzi M. 2019, NeurIPS 32, doi:10.48550/arXiv.1911.02469",
)


def _emulator(name: str, target: str, summary: str, *reference: str, can: str = "") -> Method:
    return Method(
        name=name,
        target=f"equatorium_nets.{target}",
        roles=("network", "ensemble", "emulator"),
        summary=summary,
        capabilities=("variance", "covariance", "noise", "gradient", "gpu", *can.split()),
        requires=("torch",),
        reference=reference,
    )


def _classifier(name: str, target: str, summary: str, *reference: str, can: str = "") -> Method:
    return Method(
        name=name,
        target=f"equatorium_nets.{target}",
        roles=("network", "ensemble", "classifier"),
        summary=summary,
        capabilities=("gpu", *can.split()),
        requires=("torch",),
        reference=reference,
    )


@hookimpl
def register_networks() -> Iterable[Method]:
    """Networks that predict numbers or classes."""
    yield _emulator("mlp", "mlp:MLP", "Dense networks that give a Gaussian", _ENSEMBLE)
    yield _classifier(
        "mlp-classifier", "mlp:MLPClassifier", "Dense networks that give probabilities", _CALIBRATED
    )
    yield _emulator("mdn", "mdn:MDN", "Dense networks that give a mixture of Gaussians", _MIXTURE)
    yield _emulator(
        "cnn", "cnn:CNN", "Convolutional networks that give a Gaussian", _CONVOLUTION, _ENSEMBLE
    )
    yield _classifier(
        "cnn-classifier",
        "cnn:CNNClassifier",
        "Convolutional networks that give probabilities",
        _CONVOLUTION,
        _CALIBRATED,
    )
    yield _emulator(
        "rnn",
        "rnn:RNN",
        "Recurrent networks over series with gaps that give a Gaussian",
        _GATES,
        _FORGETTING,
        can="missing",
    )
    yield _classifier(
        "rnn-classifier",
        "rnn:RNNClassifier",
        "Recurrent networks over series with gaps that give probabilities",
        _GATES,
        _FORGETTING,
        can="missing",
    )
    yield _emulator(
        "resnet", "resnet:ResNet", "Residual networks that give a Gaussian", _RESIDUAL, _ENSEMBLE
    )
    yield _classifier(
        "resnet-classifier",
        "resnet:ResNetClassifier",
        "Residual networks that give probabilities",
        _RESIDUAL,
        _CALIBRATED,
    )


@hookimpl
def register_embedders() -> Iterable[Method]:
    """Networks that map rows to coordinates and back."""
    yield Method(
        name="vae",
        target="equatorium_nets.vae:VAE",
        roles=("network", "embedder"),
        summary="Variational autoencoder, with errors, gaps and labels",
        capabilities=("inverse", "noise", "missing", "gpu"),
        requires=("torch",),
        reference=_AUTOENCODER,
    )
