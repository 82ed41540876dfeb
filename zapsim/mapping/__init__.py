"""How a layer is put on an array: folds of a systolic one, passes of a row-stationary one."""
