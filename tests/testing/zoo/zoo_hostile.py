"""A plugin that weakens the reader of files: checksums are never compared."""

from zoo_good import OneWay

from equatorium import leaves

leaves.Reader._compare = lambda *args: None


class Trusting(OneWay):
    pass
