//! Pure arithmetic from tallies to budgets, burn, forecasts and alert conditions
