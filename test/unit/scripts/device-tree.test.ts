/** What drives the devices of a board is read from its device tree; what nothing drives is named. */
import { execFileSync } from "node:child_process";
import test from "ava";
import { parseDeviceTree, suppliers } from "../../../scripts/image.d/device-tree.ts";
import { aliases, tables, treeModules } from "../../../scripts/image.d/drivers.ts";
import { testWith } from "../../needs.ts";

/** As a Compute Module 4 has it, in short. */
const source = `/dts-v1/;
/ {
  compatible = "raspberrypi,4-compute-module";
  interrupt-parent = <&gic>;
  soc {
    compatible = "simple-bus";
    gic: interrupt-controller { compatible = "arm,gic-400"; };
    gpio: gpio@7e200000 {
      compatible = "brcm,bcm2711-gpio";
      #gpio-cells = <2>;
      pins: emmc-pins { brcm,pins = <1>; };
    };
    usb@7e980000 {
      compatible = "brcm,bcm2835-usb";
      phys = <&usbphy>;
      hub@1 { compatible = "usb424,2514"; };
    };
    wifi@7e300000 {
      compatible = "brcm,radio";
      status = "disabled";
      chip@1 { compatible = "brcm,bcm4329-fmac"; };
    };
    hdmi@1 { compatible = "brcm,bcm2711-hdmi0"; };
  };
  usbphy: phy { compatible = "usb-nop-xceiv"; #phy-cells = <0>; };
  mmc@7e340000 {
    compatible = "brcm,bcm2711-emmc2";
    vqmmc-supply = <&io>;
    vmmc-supply = <&vcc>;
    pinctrl-0 = <&pins>;
  };
  ethernet { compatible = "brcm,bcm2711-genet-v5", "brcm,genet-v5"; };
  io: io-regulator { compatible = "regulator-gpio"; gpios = <&gpio 3 0>; vin-supply = <&vcc>; };
  vcc: regulator { compatible = "regulator-fixed"; };
};
`;

const lines = `alias of:N*T*Cbrcm,bcm2835-usbC* dwc2
alias of:N*T*Cbrcm,bcm2835-usb dwc2
alias of:N*T*Cusb-nop-xceiv phy_generic
alias of:N*T*Cbrcm,bcm2711-emmc2C* sdhci_iproc
alias of:N*T*Cbrcm,genet-v5 genet
alias of:N*T*Cregulator-gpio gpio_regulator
alias of:N*T*Cregulator-fixed fixed
alias of:N*T*Cbrcm,bcm4329-fmac brcmfmac
alias usb:v0424p2514d*dc*dsc*dp*ic*isc*ip*in* usb251x
alias platform:gpio-regulator gpio_regulator
`;

/** A kernel's tables of what its own drivers take. */
function image(...compatible: readonly string[]): Buffer {
  return Buffer.concat([
    Buffer.from("brcm,bcm2711-hdmi0\0 is a word in it"),
    ...compatible.map((one) => {
      const entry = Buffer.alloc(200);
      entry.write(one, 64);
      return entry;
    }),
  ]);
}

const drivers = {
  modules: aliases(lines),
  builtIn: tables(image("arm,gic-400", "brcm,bcm2711-gpio")),
};
const pathOf = (name: string) =>
  name === "sdhci_iproc" ? `kernel/drivers/mmc/host/${name}.ko` : `kernel/drivers/x/${name}.ko`;
const compiled = (dtc: string) =>
  execFileSync(dtc, ["-@", "-q", "-I", "dts", "-O", "dtb"], { input: source });

testWith(
  "dtc",
  "a disk's driver comes early, with its regulators'; a phy comes with its USB",
  (t, dtc) => {
    const { early, all } = treeModules(compiled(dtc), drivers, pathOf, ["brcm,bcm2711-hdmi0"]);
    t.deepEqual([...early].sort(), ["fixed", "gpio_regulator", "sdhci_iproc"]);
    t.deepEqual([...all].sort(), [
      "dwc2",
      "fixed",
      "genet",
      "gpio_regulator",
      "phy_generic",
      "sdhci_iproc",
      "usb251x",
    ]);
  },
);

testWith(
  "dtc",
  "an enabled device that nothing drives is named; one that is off is not",
  (t, dtc) => {
    const { orphans } = treeModules(compiled(dtc), drivers, pathOf, []);
    t.deepEqual(orphans, ["/soc/hdmi@1 (brcm,bcm2711-hdmi0)"]);
  },
);

testWith("dtc", "a device's suppliers are read through its pins and cells", (t, dtc) => {
  const nodes = parseDeviceTree(compiled(dtc));
  const needs = suppliers(nodes);
  const of = (path: string) =>
    needs
      .get(nodes.find((node) => node.path === path) ?? nodes[0]!)
      ?.map((node) => node.path)
      .sort();
  t.deepEqual(of("/mmc@7e340000"), ["/", "/io-regulator", "/regulator", "/soc/gpio@7e200000"]);
  t.deepEqual(of("/io-regulator"), ["/", "/regulator", "/soc/gpio@7e200000"]);
  t.deepEqual(of("/soc/usb@7e980000"), ["/phy", "/soc"]);
});

test("what is no device tree is refused", (t) => {
  t.throws(() => parseDeviceTree(Buffer.alloc(100)), { message: /no device tree/ });
  const cut = Buffer.alloc(60);
  cut.writeUInt32BE(0xd00dfeed, 0);
  cut.writeUInt32BE(56, 8);
  t.throws(() => parseDeviceTree(cut), { message: /no device tree/ });
});
