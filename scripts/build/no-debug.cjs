// Stands in for the package `debug` in the bundle. What it would print upon an environment variable
// is what serialport and mqtt read and write: in production nobody can ask for that.
const nothing = () => {};
nothing.extend = () => nothing;
nothing.enabled = false;
module.exports = () => nothing;
module.exports.default = module.exports;
