/** `npm run test:board`: what needs an image (`scripts/image build`) and an emulated board. */
export default {
  extensions: ["ts"],
  files: ["test/board/**/*.test.ts"],
  workerThreads: false,
  concurrency: 1,
  failFast: true,
  timeout: process.env.QKD_BOARD_TIME === "own" ? "160m" : "40m",
};
