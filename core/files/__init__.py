"""Files of this machine: for their owner alone, in a database, inside installed packages."""
