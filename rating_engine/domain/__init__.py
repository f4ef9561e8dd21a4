"""Rules of price and money: pure, integers only."""
