"""What the demo model knows: small curated tables, written for this project, nothing copied from elsewhere.

Each table is text, one entry a line, fields split by `|`, so that it can be read and corrected without reading code.
"""


def _rows(text):
    return [tuple(field.strip() for field in line.split("|")) for line in text.strip().splitlines()]


def _pairs(text):
    """`a:b, c:d` -> [(a, b), (c, d)]"""
    return [tuple(p.strip() for p in item.split(":")) for item in text.replace("\n", ",").split(",") if item.strip()]


def _lists(text):
    """`key: a, b, c` a line -> {key: [a, b, c]}"""
    heads = [line.split(":", 1) for line in text.strip().splitlines()]
    return {key.strip(): [w.strip() for w in words.split(",")] for key, words in heads}


CAPITALS = _pairs("""
France:Paris, Germany:Berlin, Spain:Madrid, Italy:Rome, Portugal:Lisbon, Austria:Vienna, Switzerland:Bern, Poland:Warsaw
Greece:Athens, Norway:Oslo, Sweden:Stockholm, Finland:Helsinki, Denmark:Copenhagen, Ireland:Dublin, England:London
Belgium:Brussels, Hungary:Budapest, Russia:Moscow, Ukraine:Kyiv, Turkey:Ankara, Egypt:Cairo
Kenya:Nairobi, Japan:Tokyo, China:Beijing, India:New Delhi, South Korea:Seoul, Thailand:Bangkok, Vietnam:Hanoi
Canada:Ottawa, Mexico:Mexico City, Cuba:Havana, Brazil:Brasília, Argentina:Buenos Aires, Chile:Santiago, Peru:Lima
Australia:Canberra, New Zealand:Wellington, Iceland:Reykjavik, Romania:Bucharest, Croatia:Zagreb, Morocco:Rabat
the United States:Washington, the Netherlands:Amsterdam, the Czech Republic:Prague, Colombia:Bogotá
""")

OPPOSITES = _pairs("""
hot:cold, big:small, fast:slow, happy:sad, day:night, up:down, left:right, light:dark, old:new, open:closed, full:empty
good:bad, high:low, long:short, hard:soft, wet:dry, clean:dirty, loud:quiet, rich:poor, strong:weak, early:late
near:far, inside:outside, first:last, always:never, begin:end, black:white, brave:afraid, easy:difficult, thick:thin
heavy:light, love:hate, push:pull, true:false, win:lose, yes:no, young:old, wide:narrow, sweet:sour, buy:sell
sunrise:sunset, laugh:cry, remember:forget, above:below, summer:winter, north:south, east:west, deep:shallow
""")

COLOURS = _pairs("""
the sky:blue, grass:green, snow:white, blood:red, the sun:yellow, coal:black, milk:white, a lemon:yellow
a banana:yellow, a tomato:red, a strawberry:red, a carrot:orange, a pumpkin:orange, a frog:green, a leaf:green
the sea:blue, chocolate:brown, a flamingo:pink, an elephant:grey, a mouse:grey, a plum:purple, a fire engine:red
the night sky:black, a raven:black, a swan:white, gold:yellow, wood:brown, a cloud:white, a pea:green
an orange:orange
""")

# animal | plural | sound it makes | where it lives | what it eats | its young | legs | kind of animal | can it fly
ANIMALS = _rows("""
dog | dogs | barks | with people | meat | puppy | 4 | mammal | no
cat | cats | meows | with people | fish and mice | kitten | 4 | mammal | no
cow | cows | moos | on a farm | grass | calf | 4 | mammal | no
horse | horses | neighs | on a farm | grass and hay | foal | 4 | mammal | no
sheep | sheep | bleats | on a farm | grass | lamb | 4 | mammal | no
pig | pigs | grunts | on a farm | almost everything | piglet | 4 | mammal | no
duck | ducks | quacks | by a pond | plants and insects | duckling | 2 | bird | yes
hen | hens | clucks | on a farm | grain | chick | 2 | bird | no
lion | lions | roars | in the grassland | meat | cub | 4 | mammal | no
tiger | tigers | roars | in the jungle | meat | cub | 4 | mammal | no
elephant | elephants | trumpets | in the grassland | leaves and grass | calf | 4 | mammal | no
wolf | wolves | howls | in the forest | meat | pup | 4 | mammal | no
bear | bears | growls | in the forest | berries and fish | cub | 4 | mammal | no
fox | foxes | barks | in the forest | mice and berries | cub | 4 | mammal | no
owl | owls | hoots | in the forest | mice | owlet | 2 | bird | yes
frog | frogs | croaks | by a pond | insects | tadpole | 4 | amphibian | no
bee | bees | buzzes | in a hive | nectar | larva | 6 | insect | yes
snake | snakes | hisses | on the ground | mice | hatchling | 0 | reptile | no
mouse | mice | squeaks | in a small hole | grain and cheese | pup | 4 | mammal | no
monkey | monkeys | chatters | in the jungle | fruit | infant | 4 | mammal | no
eagle | eagles | screeches | in the mountains | fish and small animals | eaglet | 2 | bird | yes
penguin | penguins | honks | on the ice | fish | chick | 2 | bird | no
whale | whales | sings | in the sea | tiny sea animals | calf | 0 | mammal | no
dolphin | dolphins | clicks | in the sea | fish | calf | 0 | mammal | no
rabbit | rabbits | squeaks | in a burrow | grass and carrots | kit | 4 | mammal | no
goat | goats | bleats | on a farm | grass and leaves | kid | 4 | mammal | no
crow | crows | caws | in trees | seeds and insects | chick | 2 | bird | yes
parrot | parrots | talks | in the jungle | seeds and fruit | chick | 2 | bird | yes
spider | spiders | makes no sound | in a web | insects | spiderling | 8 | arachnid | no
ant | ants | makes no sound | in a nest | almost everything | larva | 6 | insect | no
""")

MEMBERS = _lists("""
fruit: apple, banana, pear, cherry, lemon, orange, plum, grape, strawberry, peach
vegetable: carrot, potato, onion, cabbage, pea, bean, pumpkin, cucumber
tool: hammer, saw, knife, spade, drill, ladder, needle, broom
instrument: piano, guitar, violin, drum, flute, trumpet, harp
flower: rose, tulip, daisy, lily, sunflower, violet
sport: football, tennis, swimming, running, rowing, skiing, cycling
vehicle: car, bus, train, bicycle, boat, truck, ship, tram
metal: iron, gold, silver, copper, tin, lead
colour: red, blue, green, yellow, white, black, brown, orange, pink, purple
planet: Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus, Neptune
bird: duck, hen, owl, eagle, penguin, crow, parrot, swan
""")
NO_ARTICLE = {"metal", "colour", "planet", "sport"}

# from small to large
SIZES = ["ant", "bee", "mouse", "frog", "hen", "cat", "fox", "sheep", "lion", "horse", "elephant", "whale"]

# subject | is/are clause. Asked as "What is SUBJECT?", answered as "SUBJECT clause."
THINGS = _rows("""
a kernel | is the innermost part of an operating system: it talks to the hardware
an operating system | is the program that runs all other programs on a computer
a computer | is a machine that follows instructions very fast
a CPU | is the part of a computer that carries out instructions
a GPU | is a chip that does very many small sums at the same time
a language model | is a program that guesses the next word again and again
a token | is a small piece of text, often a word or a part of a word
a neural network | is a large sum of many small numbers that were learned from examples
a program | is a list of instructions for a computer
a bug | is a mistake in a program
a file | is a named piece of data
a disk | is a part of a computer that keeps data when the power is off
memory | is the part of a computer that holds what it is working on
a byte | is a group of eight bits
a bit | is the smallest piece of data: it is zero or one
a driver | is the part of a system that controls one piece of hardware
a network | is a group of computers that can talk to each other
the internet | is a very large network of computers
a server | is a computer that answers the questions of other computers
a virtual machine | is a computer that exists only inside another computer
QEMU | is a program that pretends to be a whole computer
Rust | is a programming language that helps people to write safe and fast programs
Linux | is a well-known operating system
a GGUF file | is a file that holds the weights and the words of a language model
quantisation | is a way to store numbers with fewer bits
bare metal | means that a program runs on a computer without an operating system
inference | is the work of a model when it answers a question
a chat template | is a small recipe that turns a conversation into one text
a robot | is a machine that can move and work by itself
a book | is a set of pages with words or pictures
a house | is a building where people live
a school | is a place where children learn
a library | is a place where you can read and borrow books
a hospital | is a place where doctors help people who are ill
a garden | is a place where people grow flowers and vegetables
a river | is a long stream of water that flows to the sea
a mountain | is a very high hill
an island | is land with water all around it
a desert | is a dry place with very little rain
a forest | is a place with many trees
the sun | is a star. It gives us light and heat
the moon | is a ball of rock that goes around the Earth
a star | is a huge ball of hot gas
a planet | is a large ball that goes around a star
the Earth | is the planet on which we live
rain | is water that falls from clouds
snow | is frozen water that falls from clouds
ice | is frozen water
a rainbow | is a band of colours in the sky when there is sun and rain
wind | is air that moves
a clock | is a machine that shows the time
a map | is a drawing of a place from above
a bridge | is a way over a river or a road
a friend | is someone who likes you and helps you
music | is sound that is nice to hear
bread | is food made from flour and water
cheese | is food made from milk
tea | is a hot drink made from leaves
honey | is a sweet food made by bees
a dragon | is a big animal with wings and fire that lives only in stories
love | is a strong and warm feeling for someone
time | is what a clock measures
water | is a clear liquid that all living things need
fire | is hot and bright, and it burns wood
""")

JOBS = _rows("""
baker | bakes bread
doctor | helps people who are ill
teacher | teaches children
farmer | grows food and keeps animals
cook | makes meals
pilot | flies planes
sailor | works on a ship
painter | paints pictures and walls
writer | writes books
singer | sings songs
nurse | takes care of people who are ill
gardener | takes care of plants
carpenter | makes things from wood
builder | builds houses
driver | drives a car, a bus or a truck
fisherman | catches fish
judge | decides what is right in court
programmer | writes programs for computers
firefighter | puts out fires
tailor | makes clothes
""")

USES = _rows("""
knife | cutting
spoon | eating soup
cup | drinking
pen | writing
bed | sleeping
chair | sitting
hammer | hitting nails
broom | cleaning the floor
umbrella | staying dry in the rain
lamp | making light
key | opening doors
clock | telling the time
phone | talking to people who are far away
oven | baking
soap | washing
towel | drying
boat | crossing water
ladder | climbing up
needle | sewing
bag | carrying things
""")

# English | German | French | Spanish
WORDS = _rows("""
hello | hallo | bonjour | hola
thank you | danke | merci | gracias
yes | ja | oui | sí
no | nein | non | no
good | gut | bon | bueno
green | grün | vert | verde
water | Wasser | eau | agua
bread | Brot | pain | pan
house | Haus | maison | casa
cat | Katze | chat | gato
dog | Hund | chien | perro
book | Buch | livre | libro
school | Schule | école | escuela
boy | Junge | garçon | niño
girl | Mädchen | fille | niña
year | Jahr | année | año
one | eins | un | uno
two | zwei | deux | dos
three | drei | trois | tres
sun | Sonne | soleil | sol
moon | Mond | lune | luna
cheese | Käse | fromage | queso
friend | Freund | ami | amigo
goodbye | auf Wiedersehen | au revoir | adiós
""")
LANGUAGES = ["German", "French", "Spanish"]

# question | answer
HOW_TO = _rows("""
make tea | Boil some water, put a tea bag into a cup, pour the hot water over it and wait for three minutes.
make coffee | Put ground coffee into a filter, pour hot water over it and let it drip into a cup.
boil an egg | Put the egg into boiling water, wait for seven minutes, then cool it under cold water.
make a sandwich | Take two slices of bread, put butter and cheese between them, and cut it in half.
make bread | Mix flour, water, salt and yeast, let the dough rest for an hour, then bake it in a hot oven.
plant a tree | Dig a hole, put the young tree into it, fill the hole with earth and give it water.
fall asleep | Go to bed at the same time each day, make the room dark and quiet, and breathe slowly.
learn a language | Learn a few words each day, listen a lot and speak with people. Mistakes are fine.
stay healthy | Eat fruit and vegetables, drink water, move each day and sleep enough.
make a friend | Be kind, listen well and ask what the other person likes.
wash my hands | Use warm water and soap, rub for twenty seconds, rinse, and dry with a clean towel.
write a story | Choose someone to write about, give them a wish and a problem, and show how they solve it.
fix a bug | Make it happen again, find the smallest case, read the code there, change one thing and test it.
clean my room | Start with the floor, put each thing in its place, then wipe the table and open the window.
""")

# question | answer: a few things that do not fit a table
MISC = _rows("""
How many days are in a week? | There are seven days in a week.
How many months are in a year? | There are twelve months in a year.
How many days are in a year? | There are 365 days in a year, and 366 in a leap year.
How many hours are in a day? | There are 24 hours in a day.
How many minutes are in an hour? | There are 60 minutes in an hour.
How many seconds are in a minute? | There are 60 seconds in a minute.
How many letters are in the alphabet? | There are 26 letters in the English alphabet.
How many planets are there? | There are eight planets around our sun.
How many seasons are there? | There are four seasons: spring, summer, autumn and winter.
How many bits are in a byte? | There are eight bits in a byte.
How many fingers does a hand have? | A hand has five fingers.
How many wheels does a car have? | A car has four wheels.
How many wheels does a bicycle have? | A bicycle has two wheels.
How many sides does a triangle have? | A triangle has three sides.
How many sides does a square have? | A square has four sides.
How many continents are there? | There are seven continents.
How many cents are in a dollar? | There are 100 cents in a dollar.
What is the largest planet? | The largest planet is Jupiter.
What is the smallest planet? | The smallest planet is Mercury.
Which planet is nearest to the sun? | Mercury is nearest to the sun.
Which planet has rings? | Saturn is well known for its rings.
What is the biggest animal? | The biggest animal is the blue whale.
What is the tallest animal? | The tallest animal is the giraffe.
What is the fastest animal on land? | The fastest animal on land is the cheetah.
What is the highest mountain? | The highest mountain is Mount Everest.
What is the largest ocean? | The largest ocean is the Pacific Ocean.
What colour do you get from blue and yellow? | Blue and yellow make green.
What colour do you get from red and yellow? | Red and yellow make orange.
What colour do you get from red and blue? | Red and blue make purple.
What colour do you get from black and white? | Black and white make grey.
Why is the sky blue? | The air scatters blue light more than red light, so the sky looks blue.
Why do we sleep? | We sleep so that the body and the mind can rest.
Why does it rain? | Water rises into the air, becomes clouds, and falls down again as rain.
Why do leaves fall? | In autumn many trees drop their leaves to save water and strength for the winter.
Why do birds fly? | Birds fly to find food, to find a warm home and to get away from danger.
Where does milk come from? | Milk comes from cows, goats and sheep.
Where does honey come from? | Honey comes from bees.
Where does the sun rise? | The sun rises in the east.
Where does the sun set? | The sun sets in the west.
Where do fish live? | Fish live in water.
When does water freeze? | Water freezes at zero degrees Celsius.
When does water boil? | Water boils at 100 degrees Celsius.
Who wrote Romeo and Juliet? | William Shakespeare wrote Romeo and Juliet.
Who painted the Mona Lisa? | Leonardo da Vinci painted the Mona Lisa.
Who was Albert Einstein? | Albert Einstein was a scientist who thought about light, space and time.
Who was Alan Turing? | Alan Turing was one of the first people to think about what computers can do.
Who was Ada Lovelace? | Ada Lovelace wrote one of the first computer programs.
Can pigs fly? | No, pigs cannot fly.
Is the Earth flat? | No, the Earth is round like a ball.
Is the Earth round? | Yes, the Earth is round like a ball.
Is water wet? | Most people say yes: water makes things wet.
Is ice cold? | Yes, ice is cold, because it is frozen water.
Is fire hot? | Yes, fire is very hot. Be careful with it.
Do fish swim? | Yes, fish swim very well.
Do plants need light? | Yes, plants need light, water and air.
""")
