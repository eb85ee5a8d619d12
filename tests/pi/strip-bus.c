// An SPI bus on lines of the simulated GPIO chip, with one device that is left to user space: what a Pi has with
// dtparam=spi=on. The kernel makes buses of lines by itself, but wants to be told which by a device tree or by code.

#include <linux/gpio/machine.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/spi/spi.h>
#include <linux/spi/spi_gpio.h>

static struct gpiod_lookup_table lines = {
	.dev_id = "spi_gpio.0",
	.table = {
		GPIO_LOOKUP("GPIO11", U16_MAX, "sck", GPIO_ACTIVE_HIGH),
		GPIO_LOOKUP("GPIO10", U16_MAX, "mosi", GPIO_ACTIVE_HIGH),
		GPIO_LOOKUP_IDX("GPIO8", U16_MAX, "cs", 0, GPIO_ACTIVE_LOW),
		{ },
	},
};

static struct spi_gpio_platform_data data = { .num_chipselect = 1 };

// spidev takes nothing by its own name; this one stands for whatever a program drives itself.
static struct spi_board_info device = { .modalias = "dh2228fv", .max_speed_hz = 125000000 };

static int __init plug_in(void)
{
	struct platform_device *bus;
	struct device *controller;

	gpiod_add_lookup_table(&lines);
	bus = platform_device_register_data(NULL, "spi_gpio", 0, &data, sizeof(data));
	if (IS_ERR(bus))
		return PTR_ERR(bus);
	controller = device_find_child_by_name(&bus->dev, "spi0");
	if (!controller)
		return -ENODEV;
	return spi_new_device(container_of(controller, struct spi_controller, dev), &device) ? 0 : -ENODEV;
}
module_init(plug_in);

MODULE_DESCRIPTION("An SPI bus on simulated lines");
MODULE_LICENSE("Dual MIT/GPL");
