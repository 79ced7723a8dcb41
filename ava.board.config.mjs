export default { files: ["test/board/**/*.test.ts"] };
