/** Debian's kernel has a driver for all that the boards with a device tree have, by the kernel's own tables. */
import test from "ava";
import { boardNames, readBoard } from "../../scripts/image.d/board.ts";
import { devices } from "../../scripts/image.d/devices.ts";

const wanted: Readonly<Record<string, readonly RegExp[]>> = {
  // What the first image for it lacked: no disk, no stick, no network.
  "raspberrypi/cm4": [
    /^\/emmc2bus\/mmc@7e340000 +sdhci_iproc, early$/m,
    /^\/sd_io_1v8_reg +gpio_regulator, early$/m,
    /^\/sd_vcc_reg +fixed, early$/m,
    /^\/soc\/usb@7e980000 +dwc2$/m,
    /^\/phy +phy_generic$/m,
    /^\/scb\/ethernet@7d580000\/mdio@e14 +mdio_bcm_unimac$/m,
    /^\/soc\/spi@7e204000\/tpm@1 +tpm_tis_spi, early$/m,
    /^\/soc\/spi@7e204000 +spi_bcm2835, early$/m,
  ],
  "qemu/raspi3b": [/^\/soc\/mmc@7e202000 +bcm2835, early$/m, /^\/soc\/usb@7e980000 +dwc2$/m],
};

for (const name of boardNames()) {
  const board = readBoard(name);
  if (board.device_tree === undefined) continue;
  test.serial(`${name}: every enabled device has its driver`, async (t) => {
    const lines = (await devices(board)).join("\n");
    for (const one of wanted[name] ?? []) t.regex(lines, one);
    // No radio is switched on.
    t.notRegex(lines, /wifi@|bluetooth/);
  });
}
