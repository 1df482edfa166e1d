"""The end-to-end study: design, runs, emulators, history matching, posterior, figures."""
