"""From reported figures to parameters: sampling errors, curves of single arms, and shapes of survival."""
