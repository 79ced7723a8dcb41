/** The version of this software, as in package.json and CHANGELOG.md (a test compares them). */
export const softwareVersion = "0.1.0";
