"""Published numbers and oracles, with the protocols of the searches behind them."""
