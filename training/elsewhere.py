"""What other shops sell: phrases that no row of the fashion, grocery and boutique catalogs answers.

Our own words, 240 phrases in two halves that share no product. One half may be shown to an encoder in training as
text that fits no picture; the other half is kept from training, to calibrate confidences and to test them.
"""

from __future__ import annotations

TRAINING_HALF: tuple[str, ...] = (
    # kitchen and household appliances
    "toaster", "dishwasher", "microwave oven", "electric kettle", "chest freezer", "air fryer", "food processor",
    "robot vacuum cleaner", "steam iron", "air conditioner",
    # computers and electronics
    "gaming laptop", "mechanical keyboard", "27 inch monitor", "wireless router", "external hard drive",
    "graphics card", "usb charger", "e-book reader", "dvd player", "surround sound speakers",
    # furniture
    "corner sofa", "dining table", "bunk bed", "bookcase with doors", "office chair", "bedside table",
    "oak sideboard", "bar stool", "memory foam mattress", "folding garden chair",
    # tools and hardware
    "cordless drill", "claw hammer", "adjustable spanner", "circular saw", "spirit level", "box of wood screws",
    "paint roller", "step ladder", "soldering iron", "pipe wrench",
    # vehicles and their parts
    "mountain bike", "electric scooter", "car battery", "winter tyres", "motorcycle exhaust", "roof box for a car",
    "brake pads", "engine oil", "caravan awning", "bicycle pump",
    # sport and outdoors
    "treadmill", "dumbbell set", "yoga mat", "two-person tent", "tennis racket", "golf clubs", "snowboard",
    "fishing rod", "rowing boat oars", "inflatable kayak",
    # music
    "acoustic guitar", "digital piano", "drum kit", "violin", "harmonica", "saxophone", "microphone stand",
    "guitar amplifier", "bass strings", "metronome",
    # animals
    "dog kennel", "cat litter tray", "aquarium filter", "parrot cage", "hamster wheel", "dog leash", "horse saddle",
    "rabbit hutch", "fish food flakes", "cat scratching post",
    # garden
    "lawn mower", "garden hose", "wheelbarrow", "hedge trimmer", "greenhouse", "potting soil",
    "grass seed", "patio heater", "bird bath", "charcoal barbecue",
    # office, school and books
    "laser printer", "paper shredder", "stapler", "whiteboard", "ring binder", "ink cartridge", "fountain pen",
    "desk calendar", "crime novel paperback", "pocket calculator",
    # babies and toys
    "pushchair", "baby cot", "changing table", "building blocks", "jigsaw puzzle", "remote control car",
    "dolls house", "baby monitor", "board game", "rocking horse",
    # building, health and the rest
    "bathroom tap", "ceramic floor tiles", "roof insulation", "front door lock", "radiator valve", "wheelchair",
    "blood pressure monitor", "first aid kit", "smoke detector", "solar panel",
)  # fmt: skip
"""May be used in training."""

HELD_HALF: tuple[str, ...] = (
    # kitchen and household appliances
    "espresso machine", "washing machine", "fridge freezer", "induction hob", "stand mixer", "waffle iron",
    "rice cooker", "tumble dryer", "sewing machine", "dehumidifier",
    # computers and electronics
    "desktop computer", "optical mouse", "smart television", "mobile phone with 128 gb", "video projector",
    "network switch", "digital camera", "game console", "walkie talkie", "record player",
    # furniture
    "leather armchair", "coffee table", "wardrobe with sliding doors", "chest of drawers", "standing desk",
    "four-poster bed", "shoe cabinet", "kitchen island", "futon", "hammock",
    # tools and hardware
    "angle grinder", "screwdriver set", "chainsaw", "workbench", "tape measure", "welding helmet", "nail gun",
    "wood glue", "pressure washer", "hex keys",
    # vehicles and their parts
    "racing bicycle", "quad bike", "windscreen wipers", "spark plugs", "child car seat", "trailer hitch",
    "outboard motor", "snow chains", "car stereo", "tractor",
    # sport and outdoors
    "rowing machine", "kettlebell", "climbing rope", "sleeping bag", "table tennis table", "ice hockey stick",
    "cross-country skis", "archery bow", "trampoline", "surfboard",
    # music
    "electric guitar", "church organ", "cello", "trumpet", "clarinet reeds", "accordion", "studio microphone",
    "synthesizer", "ukulele", "music stand",
    # animals
    "dog bed", "cat flap", "aquarium", "bird seed", "reptile terrarium", "dog biscuits", "horse blanket",
    "chicken coop", "flea collar", "goldfish bowl",
    # garden
    "leaf blower", "lawn sprinkler", "garden shed", "pruning shears", "compost bin", "rose bush", "garden gnome",
    "swimming pool pump", "rain barrel", "fence panels",
    # office, school and books
    "document scanner", "filing cabinet", "hole punch", "flip chart", "sticky notes", "photocopier paper",
    "label maker", "world atlas", "cookery book", "sheet of postage stamps",
    # babies and toys
    "high chair", "baby bottle steriliser", "stair gate", "model railway", "teddy bear", "water pistol", "kite",
    "playpen", "chess set", "toy kitchen",
    # building, health and the rest
    "shower cabin", "toilet seat", "cement", "roof tiles", "electric meter", "hearing aid",
    "walking frame", "fire extinguisher", "telescope", "heat pump",
)  # fmt: skip
"""Never used in training."""
