"""The loop that projects with an HC-SR04 begin with: time.time() around a line's value, asked over and over.

Ten measurements a second, with the kernel's GPIO in place of the register access that the Pi's own libraries have.
"""

import time

import gpiod

trigger = gpiod.find_line("GPIO23")
trigger.request(consumer="ranging", type=gpiod.LINE_REQ_DIR_OUT)
echo = gpiod.find_line("GPIO24")
echo.request(consumer="ranging", type=gpiod.LINE_REQ_DIR_IN)


def distance_m():
    trigger.set_value(1)
    time.sleep(0.00001)
    trigger.set_value(0)
    asked = rose = fell = time.time()
    while echo.get_value() == 0 and rose - asked < 0.1:
        rose = time.time()
    while echo.get_value() == 1 and fell - rose < 0.1:
        fell = time.time()
    return (fell - rose) * 343.26 / 2


while True:
    begun = time.time()
    distance_m()
    time.sleep(max(0.0, begun + 0.1 - time.time()))
