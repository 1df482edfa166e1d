"""Emulators at work: with names (`surrogate`), composed (`compose`), judged (`validate`)."""
