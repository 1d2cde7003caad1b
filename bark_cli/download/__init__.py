"""From a hub to this machine: a model's name -> its files, whole and verified, as a model to use."""
